"""What a person sees: the product on stdout, everything else on stderr."""
