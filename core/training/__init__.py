"""What the trainings of small models share."""
