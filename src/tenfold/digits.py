"""What every digit image has in common: MNIST's form, 28x28 bytes, white on black."""

IMAGE_SIZE_PX = 28
NUM_CLASSES = 10
WHITE = 255
