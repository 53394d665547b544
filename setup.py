"The package, as settings.ini describes it"
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='], interpolation=None)
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
readme = here/'README.md'

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], author=cfg['author'], license=cfg['license'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '', long_description_content_type='text/markdown',
    packages=[cfg['lib_name']], package_data={cfg['lib_name']: ['*.tsv.xz', '*.html', 'rules.csv', 'networks/*', 'networks/runs/*/*']},
    entry_points={'console_scripts': [f"cytoself-nb = {cfg['lib_name']}.cli:main"]},
    python_requires='>=' + cfg['min_python'],
    install_requires=cfg['requirements'].split(), extras_require={kind: cfg[f'{kind}_requirements'].split() for kind in ('dev', 'bioio')},
)
