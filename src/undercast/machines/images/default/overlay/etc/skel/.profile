[ -n "$BASH_VERSION" ] && [ -r "$HOME/.bashrc" ] && . "$HOME/.bashrc"
PATH="$HOME/.local/bin:$HOME/bin:$PATH"
