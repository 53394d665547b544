"Turn the Markdown of nbs/index.ipynb (standard input, from nbconvert) into that of README.md (standard output)"
import re
import sys

REWRITES = [
    (r'<style scoped>.*?</style>\n', ''),  # of tables
    (r'^```(\w*)\n(.*?^```)$', lambda m: f"```{m[1] or 'python'}\n{m[2]}"),  # nbconvert knows no language
    (r'\]\(\.\./', r']('),  # links from nbs/ become links from the root
    (r'\]\((\w+\.ipynb)', r'](nbs/\1'),
    (r'\]\(#[^)]+\)', lambda m: m[0].lower()),  # JupyterLab keeps capitals in the names of headings, code hosts don't
]


def readme(
    text:str, # Markdown of the index
)->str: # Markdown of README.md
    "The same page, one folder up"
    for pattern, new in REWRITES: text = re.sub(pattern, new, text, flags=re.M | re.S)
    return text


if __name__ == '__main__': sys.stdout.write(readme(sys.stdin.read()))
