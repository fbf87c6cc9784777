"""What goes beyond a store's own verbs."""
