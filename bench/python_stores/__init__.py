"""Storage libraries of Python, as python_store_work.py drives them."""
