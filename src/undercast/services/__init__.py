"""What AWS means: a package per service, a module per resource."""
