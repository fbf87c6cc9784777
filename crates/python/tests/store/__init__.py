"""The store, on memory and on a folder of this machine."""
