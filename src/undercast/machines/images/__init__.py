"""Images: the default one built here from the distribution's packages, and those from elsewhere."""
