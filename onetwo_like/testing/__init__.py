"""What does the package offer to your tests?"""
