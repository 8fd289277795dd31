"""How is a result shown: in a terminal, in a notebook, as pictures?"""
