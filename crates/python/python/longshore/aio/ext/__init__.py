"""What goes beyond a store's own verbs, in an event loop."""
