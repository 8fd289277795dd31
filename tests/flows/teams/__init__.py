"""Case 9: three modules of three teams, whose steps meet in one application."""
