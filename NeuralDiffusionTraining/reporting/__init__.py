"""What people read: model card, plots, tables, report."""
