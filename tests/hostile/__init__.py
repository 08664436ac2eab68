"""Hostile input, made from a seed: images, entries of a folder, archives, manifests; and a process that meets it."""
