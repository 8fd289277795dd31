"""How does a result become one page that opens offline?"""
