"""What a reviewer sees and decides: pages over the same steps and stores as everything else."""
