"""Other ways to remove noise from slices: classical filters, as published and tuned, and other programs."""
