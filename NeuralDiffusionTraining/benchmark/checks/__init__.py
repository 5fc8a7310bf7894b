"""What a radiologist would ask beside figures of merit: lesions kept or invented, and segmented."""
