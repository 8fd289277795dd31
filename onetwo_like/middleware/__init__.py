"""What stands between a call and the backend that answers it?"""
