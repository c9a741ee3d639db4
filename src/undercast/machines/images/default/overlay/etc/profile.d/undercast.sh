# The prompt people know from cloud images: [ec2-user@ip-172-31-5-7 ~]$
case "$PATH" in *"$HOME/.local/bin"*) ;; *) PATH="$HOME/.local/bin:$PATH" ;; esac
[ -n "$BASH_VERSION" ] && PS1='[\u@\h \W]\$ '
