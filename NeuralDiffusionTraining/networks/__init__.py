"""Networks that train and compete beside the shipped one."""
