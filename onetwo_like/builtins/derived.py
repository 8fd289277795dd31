"""What follows from what? (written by a helper)"""
