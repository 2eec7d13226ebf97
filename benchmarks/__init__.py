"""What Opslayer promises, measured from outside; each program prints its bars as JSON."""
