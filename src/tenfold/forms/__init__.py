"""What people filled in, as rows of a workbook. No torch."""
