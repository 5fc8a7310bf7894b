"""What slice views show for the module, over what the user had in them."""
