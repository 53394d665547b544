"How fast is the network? `python -m bench` measures it."
