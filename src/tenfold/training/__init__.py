"""The one training loop and its parts: images and a recipe in, trained weights out."""
