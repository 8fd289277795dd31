"""Which examples does an experiment run on, wherever they come from?"""
