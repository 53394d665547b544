#!/usr/bin/env bash
# coSMicQC labels no cell as an outlier once one cell of the table has no value; its other function finds them all
#
# coSMicQC 1.1.2, CytoDataFrame 0.3.6, NumPy 2.4.6, pandas 2.3.3, SciPy 1.17.1.
#
# A table as CellProfiler leaves it: 1,000 nuclei, their area and form factor, 20 of them four times as large as the
# others. Asked: which lie more than three standard deviations above the mean area. Then the same with one value of 1,000
# missing, as CellProfiler leaves one where a feature is not defined for an object.
# Guess before the first run: the cell without a value is neither one nor the other, the other 999 are judged as before.
#
# Seen: with all values find_outliers, identify_outliers and label_outliers all find the 20. With one missing, find_outliers
# says that it leaves such rows out, and finds the 20; identify_outliers and label_outliers say nothing and find 0: each
# z-score of that feature is missing, since the mean of all is, and nothing is larger than a missing number. A second feature
# that is complete is still judged; a condition of both finds none. So the two functions contradict each other on one table, and
# the one that writes the column Metadata_cqc_..._is_outlier is the silent one: every cell passes quality control.
#
# Who is hurt: whoever filters single cells by that column. Fill or leave out missing values before, and look
# whether the columns that end in _zscore (include_threshold_scores=True) hold numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -q --disable-pip-version-check cosmicqc==1.1.2 cytodataframe==0.3.6 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 \
    ome-arrow==0.1.0 bioio==3.6.0 bioio-base==3.5.0 bioio-ome-tiff==1.4.0 bioio-ome-zarr==3.8.1 bioio-tifffile==1.3.1 ome-types==0.7.0 zarr==3.1.6   # else an older pip tries many of them
venv/bin/python - 2> log.txt <<'END' || { cat log.txt; exit 1; }
import contextlib
import io
import warnings

import cosmicqc
import numpy as np
import pandas as pd

AREA, FORM = 'Nuclei_AreaShape_Area', 'Nuclei_AreaShape_FormFactor'
rng = np.random.default_rng(0)
complete = pd.DataFrame({'Metadata_ImageNumber': 1, AREA: rng.normal(500, 50, 1000), FORM: rng.normal(.9, .02, 1000)})
complete.loc[:19, AREA] = 2000
complete.loc[:19, FORM] = 1.1
missing = complete.copy()
missing.loc[999, AREA] = np.nan


def found(table, thresholds):
    "Outliers by each of the three functions, and whether the last two said anything"
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()): first = len(cosmicqc.find_outliers(table, ['Metadata_ImageNumber'], thresholds))
    with contextlib.redirect_stdout(said), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter('always')
        second = int(cosmicqc.identify_outliers(table, thresholds).sum())
        third = int(cosmicqc.label_outliers(table, thresholds)['Metadata_cqc_custom_is_outlier'].sum())
    about = [w for w in warned if 'nan' in str(w.message).lower() or 'missing' in str(w.message).lower()]
    return first, second, third, bool(about or 'nan' in said.getvalue().lower())


for name, table, thresholds, expected in (
        ('all values, area', complete, {AREA: 3}, (20, 20, 20, False)),
        ('one area missing, area', missing, {AREA: 3}, (20, 0, 0, False)),
        ('one area missing, form factor', missing, {FORM: 3}, (20, 20, 20, False)),
        ('one area missing, both', missing, {AREA: 3, FORM: 3}, (20, 0, 0, False))):
    seen = found(table, thresholds)
    print(f'{name}: find_outliers {seen[0]}, identify_outliers {seen[1]}, label_outliers {seen[2]}, '
          f'{"with" if seen[3] else "without"} a word about missing values from the last two')
    assert seen == expected, f'expected {expected}'
scores = cosmicqc.label_outliers(missing, {AREA: 3}, include_threshold_scores=True)
none = scores[f'Metadata_cqc_custom_{AREA}_zscore'].isna().mean()
print(f'z-scores of the area that are missing, of 1,000 with one value missing: {none:.0%}')
assert none == 1
END
