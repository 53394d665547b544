"The answers of docs/faq.md are run, one after the other, in an empty folder"
import os
import re
import subprocess
import sys

from conftest import ROOT

TEXT = (ROOT/'docs/faq.md').read_text(encoding='utf-8')


def test_there_are_ten_questions_with_an_answer_each():
    questions = re.split(r'^## ', TEXT, flags=re.M)[1:]
    assert len(questions) == 10
    for q in questions: assert '```python\n' in q and len(q.split('```')[0].split()) < 90, q.splitlines()[0]


def test_all_answers_run(tmp_path):
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', TEXT, re.M | re.S))
    env = os.environ | dict(CYTOSELF_NB_OUT=str(tmp_path), MPLBACKEND='agg', PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
