"""The words of the library as code: what everything above is made of."""
