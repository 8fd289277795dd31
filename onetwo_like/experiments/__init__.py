"""Which of several programs or models is better, by how much, and can someone else check it?"""
