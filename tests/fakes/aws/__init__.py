"""AWS's control plane on a loopback port: ours where moto is wrong or has nothing, moto for the rest."""
