"""The soak: the whole job on a real Kafka against the stand-in, a seeded schedule of faults, and an independent judgement of what became of every record.

python -m tests.soak --minutes 30 --seed 7 --out FOLDER
"""
