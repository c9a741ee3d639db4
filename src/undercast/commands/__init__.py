"""What the `undercast` command does, a module per subject. Imported when asked for: start-up counts."""
