"""A suite that takes a second."""

SUITE = """\
name: tiny
task: vqa
dataset: {name: easy_vqa}
models: [baseline]
score: exact_match
limit: 6
severities: [3]
grid: {image: [fog], text: [keyboard]}
"""
