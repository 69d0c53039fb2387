"""What one model version has done with the clinics' cases: how much, how fast, how right.

Only live views count, never a shadow's. Nothing here names a person or a case.
"""
