"Settings of the site: pages from Markdown and notebooks as they are; nothing is run, nothing is loaded from elsewhere"
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = html_title = 'cytoself_nb'
extensions = ['myst_nb']
nb_execution_mode = 'off'
nb_merge_streams = True
myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 4
html_theme = 'furo'
html_extra_path = ['extra']
html_static_path = ['site.css']
html_css_files = ['site.css']
html_copy_source = False
html_search_scorer = str(Path(__file__).with_name('scorer.js'))
html_show_sphinx = False
html_math_renderer = 'mathml'
exclude_patterns = ['extra']
suppress_warnings = ['myst.header', 'misc.highlighting_failure', 'mystnb.unknown_mime_type']


def formula(block):
    "A visitor that writes a formula as MathML, which browsers draw by themselves"
    def visit(self, node):
        self.body.append(tex2mathml(node.astext(), as_block=block))
        raise nodes.SkipNode
    return visit, None


def setup(app):
    app.add_html_math_renderer('mathml', formula(False), formula(True))
