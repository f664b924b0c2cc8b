"""What a classifier's numbers are worth: corruption, calibration, rejection, labels. No torch."""
