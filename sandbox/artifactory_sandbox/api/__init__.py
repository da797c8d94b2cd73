"""The endpoints, an area a module: each reads a request, lets what is outside do the work, and says what came of it.

`addressing`, `calls` and `responses` are what the areas share. Nothing outside knows a request.
"""
