"""How are steps joined into programs: by name (flows), or by the types of events (workflows)?"""
