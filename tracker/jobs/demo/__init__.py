"""`mien demo`: a person who does not exist is filmed, detected, tracked, and compared with what is true of them.

perform.py   films and tracks, frame by frame, writing overlay.mp4 on the way
numbers.py   how far the track is from the truth, as rows for people
charts.py    lines over time as SVG
report.py    all of it on one page, report.html
"""
