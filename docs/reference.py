"Write cytoself_nb/networks/simulated.h5ad: what the network simulated says of simulated cells whose localization is known; `make reference`"
import tempfile
from pathlib import Path

from cytoself_nb.answers import make_reference, write_reference
from cytoself_nb.core import get_profile
from cytoself_nb.microscope import simulated_proteome, write_screen
from cytoself_nb.parts import embed_folder
from cytoself_nb.weights import load, reference_file

FIELDS, SEED = 4, 1311   # The proteins of its training, in fields of another seed


def main():
    sizes = get_profile('long')
    known = simulated_proteome(sizes.proteins, 0, sizes.unseen).query('not held_out').dropna(subset='localization')
    with tempfile.TemporaryDirectory() as folder:
        embedding = Path(folder)/'cells.h5ad'
        write_screen(Path(folder)/'stacks', known, FIELDS, SEED)
        embed_folder(Path(folder)/'stacks', load('simulated'), embedding, umap=False)
        write_reference(reference_file('simulated'), make_reference(embedding))


if __name__ == '__main__': main()
