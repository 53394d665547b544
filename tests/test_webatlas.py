"The interactive atlas: a page that keeps users' strings as strings, and that answers mouse and keys in a real browser"
import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cytoself_nb.draw import GRAY, LOCALIZATIONS, group_colors
from cytoself_nb.webatlas import atlas_pictures, near_proteins, write_atlas_html

NASTY = ['</script><script>window.hacked=1</script>', '<img src=x onerror="window.hacked=1">', '{{title}} {{data}}', 'a,b "c"\nd', "O'Neil & sons", '<!--']


def table(n, proteins=6, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, proteins, n)
    names = np.array(NASTY + [f'P{k:04d}' for k in range(proteins)], dtype=object)[:proteins]
    xy = rng.normal(size=(proteins, 2))[p]*6 + rng.normal(size=(n, 2))
    return pd.DataFrame(dict(protein=names[p], localization=np.array(['nucleus', 'er', None], dtype=object)[p % 3], area=rng.normal(size=n), umap_1=xy[:, 0], umap_2=xy[:, 1]))

def data_of(page): return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)[1])


# --- without a browser

def test_strings_stay_strings_and_nothing_is_loaded(tmp_path):
    page = write_atlas_html(tmp_path/'a.html', table(60), title='</title><script>x</script>', about='<b>simulated cells</b>')
    text = page.read_text()
    assert text.count('<script') == text.count('</script>') == 2 and '<!--' not in text and '<img' not in text
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', text) and 'fetch(' not in text and 'XMLHttpRequest' not in text
    assert "default-src 'none'" in text
    assert set(NASTY) == set(next(c for c in data_of(page)['columns'] if c['name'] == 'protein')['names'])

def test_numbers_survive(tmp_path):
    frame = table(60)
    data = data_of(write_atlas_html(tmp_path/'a.html', frame))
    assert np.frombuffer(base64.b64decode(data['x']), '<f4').tolist() == frame.umap_1.astype('f4').tolist()
    place = next(c for c in data['columns'] if c['name'] == 'localization')
    codes = np.frombuffer(base64.b64decode(place['codes']), '<u4')
    assert [place['names'][c - 1] if c else None for c in codes] == [v if isinstance(v, str) else None for v in frame.localization]

def test_equal_numbers_give_equal_bytes_and_a_failure_keeps_the_old_page(tmp_path):
    path = tmp_path/'a.html'
    first = write_atlas_html(path, table(60), np.full((60, 16, 16, 3), .5)).read_bytes()
    assert write_atlas_html(path, table(60), np.full((60, 16, 16, 3), .5)).read_bytes() == first
    for bad, message in ((table(60).drop(columns='protein'), 'without protein'), (table(60)[:0], '0 points'), (table(60).assign(umap_1=np.inf), '60 without a place')):
        with pytest.raises(ValueError, match=message): write_atlas_html(path, bad)
    with pytest.raises(ValueError, match='fewer or smaller'): write_atlas_html(path, table(60), np.zeros((60, 2048, 2048, 3), np.uint8))
    assert path.read_bytes() == first and [p.name for p in tmp_path.iterdir()] == ['a.html']

@pytest.mark.parametrize('more, message', [((np.zeros((2, 8, 8, 3)), [0, 1, 2]), 'one for each point'), ((None, [0]), 'one for each point')])
def test_each_point_needs_its_picture(tmp_path, more, message):
    with pytest.raises(ValueError, match=message): write_atlas_html(tmp_path/'a.html', table(3), *more)

def test_numbers_that_are_none_travel_as_nan(tmp_path):
    columns = data_of(write_atlas_html(tmp_path/'a.html', table(3).assign(area=[1, np.inf, np.nan], none=None)))['columns']
    area = np.frombuffer(base64.b64decode(next(c for c in columns if c['name'] == 'area')['values']), '<f4')
    assert area[0] == 1 and np.isnan(area[1:]).all() and 'none' not in [c['name'] for c in columns]

def test_each_localization_has_the_color_of_the_table(tmp_path):
    frame = pd.DataFrame(dict(protein='p', localization=[*LOCALIZATIONS, 'Cytosol'], umap_1=np.arange(19.), umap_2=0.))
    place = next(c for c in data_of(write_atlas_html(tmp_path/'a.html', frame))['columns'] if c['name'] == 'localization')
    colors = {place['names'][int(k)]: c for k, c in place['colours'].items()}
    assert colors == LOCALIZATIONS | {'Cytosol': LOCALIZATIONS['cytoplasm']}
    assert place['words'] == {'er': 'ER', 'golgi': 'Golgi', 'nucleolus fc': 'nucleolus, fibrillar center'}

def test_long_numbers_are_not_rounded(tmp_path):
    columns = {c['name']: c for c in data_of(write_atlas_html(tmp_path/'a.html', table(3).assign(cell=[20_000_000_001, 2, 3], plate=[1, 2, 3])))['columns']}
    assert '20000000001' in columns['cell']['names'] and 'names' not in columns['plate']

def test_nearest_proteins():
    near = near_proteins(np.array([[1., 0, 0], [.9, .1, 0], [0, 1, 0], [5, 5, 5]]), ['a', 'b', None, NASTY[0]], 1)
    assert near['a'] == ['b'] and near['b'] == ['a'] and set(near) == {'a', 'b', NASTY[0]}
    assert near_proteins(np.eye(2), ['a', 'a']) == {'a': []}

def test_what_was_redrawn_has_to_fit(tmp_path):
    with pytest.raises(ValueError, match='equally large'): write_atlas_html(tmp_path/'a.html', table(3), np.zeros((3, 8, 8, 3)), redrawn=np.zeros((3, 9, 9, 3)))

def test_large_maps_show_a_typical_crop():
    frame = pd.DataFrame(dict(protein=list('aaabbb'), row=range(6), umap_1=[0, 1, 2, 9, 9, 9.], umap_2=0.))
    store = SimpleNamespace(images=np.random.default_rng(0).random((6, 1, 8, 8)), channels=['protein'])
    pictures, picture = atlas_pictures(frame, store, most=2)
    assert picture.tolist() == [0, 0, 0, 1, 1, 1] and len(pictures) == 2
    own, each = atlas_pictures(frame, store)
    assert len(own) == 6 and each.tolist() == list(range(6)) and (own[1] == pictures[0]).all()   # the middle one of a

def test_100_000_points_stay_under_30_mb(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.random((1311, 64, 64, 3), np.float32)   # noise: the worst case for a picture
    page = write_atlas_html(tmp_path/'a.html', table(100_000, 1311), pictures, rng.integers(0, 1311, 100_000))
    assert page.stat().st_size < 30e6


# --- in a browser

class Browser:
    "Chromium, driven through its DevTools protocol"
    def __init__(self, binary, folder):
        from websocket import create_connection
        self.folder, self.number, self.events = folder, 0, []
        self.process = subprocess.Popen([binary, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-port=0',
                                         f'--user-data-dir={folder}/profile', 'about:blank'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        note = folder/'profile/DevToolsActivePort'
        for _ in range(600):
            if note.exists() and len(note.read_text().split()) > 1: break
            time.sleep(.1)
        with urllib.request.urlopen(f'http://127.0.0.1:{note.read_text().split()[0]}/json') as f: pages = json.load(f)
        self.socket = create_connection(next(p for p in pages if p['type'] == 'page')['webSocketDebuggerUrl'], timeout=120, suppress_origin=True)
        for domain in ('Page', 'Runtime', 'Network', 'Log'): self.do(f'{domain}.enable')
        self.do('Browser.setDownloadBehavior', behavior='allow', downloadPath=str(folder))
        self.do('Emulation.setDeviceMetricsOverride', width=1280, height=800, deviceScaleFactor=1, mobile=False)

    def do(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps(dict(id=self.number, method=method, params=params)))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get('id') == self.number:
                assert 'error' not in answer, answer
                return answer['result']
            self.events.append(answer)

    def js(self, code):
        answer = self.do('Runtime.evaluate', expression=code, awaitPromise=True, returnByValue=True)
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def open(self, page):
        self.events = []
        self.do('Page.navigate', url=page.as_uri())
        for _ in range(600):
            if self.js(f"location.pathname.endsWith({json.dumps(page.name)}) && document.readyState == 'complete' && Boolean(window.atlas)"): break
            time.sleep(.1)
        self.js('atlas.ready().then(() => 1)')

    def mouse(self, kind, x, y, **more): self.do('Input.dispatchMouseEvent', type=kind, x=x, y=y, **more)

    def drag(self, *points, **more):
        self.mouse('mousePressed', *points[0], button='left', buttons=1, clickCount=1, **more)
        for p in points[1:]: self.mouse('mouseMoved', *p, button='left', buttons=1, **more)
        self.mouse('mouseReleased', *points[-1], button='left', clickCount=1, **more)

    def touch(self, *steps):
        "Fingers: each step is a list of (x, y); an empty list lifts them"
        last = []
        for points in steps:
            kind = 'touchEnd' if not points else 'touchStart' if len(points) > len(last) else 'touchMove'
            self.do('Input.dispatchTouchEvent', type=kind, touchPoints=[dict(x=x, y=y, id=k) for k, (x, y) in enumerate(points)])
            last = points

    def click(self, selector):
        x, y = self.js(f'(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: "center"}}); const r = e.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2] }})()')
        self.drag((x, y), (x, y))

    def key(self, key, shift=False):
        for kind in ('keyDown', 'keyUp'):
            self.do('Input.dispatchKeyEvent', type=kind, key=key, modifiers=8*shift, text=key if kind == 'keyDown' and len(key) == 1 else '')

    def place(self, i): return self.js(f'(() => {{ const r = document.getElementById("top").getBoundingClientRect(), p = atlas.screen({i}); return [p[0] + r.x, p[1] + r.y] }})()')

    def choose(self, name): self.js(f'(() => {{ const s = document.getElementById("by"); s.value = {json.dumps(name)}; s.dispatchEvent(new Event("change")) }})()')

    def search(self, words):
        self.js('(() => { const f = document.getElementById("find"); f.value = ""; f.focus() })()')
        self.do('Input.insertText', text=words)

    def close(self):
        self.socket.close(); self.process.terminate(); self.process.wait(20)


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    asked = os.environ.get('CYTOSELF_NB_BROWSER')
    binary = asked or next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
    if asked and not shutil.which(asked): pytest.fail(f'CYTOSELF_NB_BROWSER={asked} is no program')
    if not binary: pytest.skip('no chromium found; CYTOSELF_NB_BROWSER names one')
    pytest.importorskip('websocket')
    b = Browser(binary, tmp_path_factory.mktemp('browser'))
    yield b
    b.close()

FRAME = table(300).assign(fov=[f'field <{k//5}>' for k in range(300)], row=np.arange(300) + 1_234_000, y=np.arange(300) % 97, x=50)
POINTS = FRAME[['umap_1', 'umap_2']].to_numpy()

@pytest.fixture
def page(browser, tmp_path):
    pictures = np.zeros((300, 16, 16, 3)); pictures[:, :, :, 1] = np.linspace(.2, 1, 300)[:, None, None]   # each crop its own green
    browser.open(write_atlas_html(tmp_path/'atlas.html', FRAME, pictures, title='Atlas of <simulated> cells', about='simulated cells', redrawn=pictures[:, :, :, [1, 0, 2]],
                                  near={'P0000': [NASTY[1], 'O\'Neil & sons'], NASTY[0]: [NASTY[4]]}, um=40, run='simulated-demo-0'))
    yield browser
    assert not browser.js('window.hacked'), 'a name was run as a script'
    bad = [e for e in browser.events if e['method'] == 'Runtime.exceptionThrown' or (e['method'] == 'Log.entryAdded' and e['params']['entry']['level'] == 'error')]
    assert not bad, bad
    asked = [e['params']['request']['url'] for e in browser.events if e['method'] == 'Network.requestWillBeSent']
    assert not [u for u in asked if not u.startswith(('file:', 'data:', 'blob:'))], 'the page went to the network'

def lone_point():
    "The point that is farthest from its nearest neighbour"
    d = np.linalg.norm(POINTS[:, None] - POINTS[None], axis=-1) + 1e9*np.eye(len(POINTS))
    return int(d.min(1).argmax())

def test_title_is_text(page):
    assert page.js('document.title') == page.js('document.querySelector("h1").textContent') == 'Atlas of <simulated> cells'

def test_a_screenshot_shows_each_point_in_the_colour_of_its_group(page):
    from matplotlib.colors import to_rgb
    from skimage.io import imread
    groups, seen = sorted(FRAME.localization.dropna().unique()), np.asarray(imread(io.BytesIO(base64.b64decode(page.do('Page.captureScreenshot')['data']))), float)[..., :3]/255
    colours = group_colors(FRAME.localization)
    known = np.array([to_rgb(c) for c in (*(colours[g] for g in groups), GRAY)])
    at = np.array([page.place(i) for i in range(60)]).round().astype(int)
    pixel = seen[at[:, 1], at[:, 0]]
    nearest = np.linalg.norm(pixel[:, None] - known, axis=2).argmin(1)
    assert (pixel.min(1) < .95).mean() > .9, 'points are missing from the picture'       # nearly none is white, like the page
    assert (nearest == [groups.index(g) if g in groups else len(groups) for g in FRAME.localization[:60]]).mean() > .8   # some lie under others

def test_a_dark_system_has_a_dark_page_and_the_map_stays_on_white_as_in_all_figures(page):
    def colors(where): return [page.js(f'getComputedStyle({where}).{k}.match(/\\d+/g).map(Number)') for k in ('color', 'backgroundColor')]
    page.do('Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value='dark')])
    try:
        for where in ('document.body', 'document.getElementById("card")', 'document.getElementById("find")'):
            words, ground = colors(where)
            assert min(words) > 200 and max(ground) < 40, where
        assert page.js('[...document.getElementById("base").getContext("2d").getImageData(1, 1, 1, 1).data]') == [255]*4
    finally: page.do('Emulation.setEmulatedMedia', features=[])
    assert colors('document.body')[1] == [255]*3

def test_hover_shows_the_crop_of_the_point(page):
    i = lone_point()
    page.mouse('mouseMoved', *page.place(i))
    assert page.js('atlas.hovered()') == i
    assert page.js('document.querySelector("#card b").textContent') == FRAME.protein[i]
    red, green, _, _ = page.js('[...document.querySelector("#card canvas").getContext("2d").getImageData(80, 80, 1, 1).data]')
    assert abs(green - 255*np.linspace(.2, 1, 300)[i]) < 6 and red < 10
    page.mouse('mouseMoved', 1200, 790)
    assert page.js('atlas.hovered()') == -1 and page.js('getComputedStyle(document.getElementById("card")).display') == 'none'

def test_search_finds_names_with_any_character(page):
    for name in NASTY:
        wanted = ' '.join(name.split('\n')[:1])   # one line fits a search field
        page.search(wanted)
        assert page.js('atlas.selected()') == FRAME.index[FRAME.protein.str.contains(wanted, regex=False)].tolist(), name
    assert page.js('document.querySelectorAll("#list button").length') == 1
    page.search('nobody'); assert 'nothing' in page.js('document.getElementById("status").textContent')

def test_lasso_lists_what_it_holds_and_saves_a_csv(page, browser):
    at = np.array(page.js('Array.from({length: atlas.n}, (_, i) => atlas.screen(i))'))
    left, top = page.js('(() => { const r = document.getElementById("top").getBoundingClientRect(); return [r.x, r.y] })()')
    cut = float(np.median(at[:, 0])) + .37
    inside = np.flatnonzero(at[:, 0] < cut)
    page.click('#lasso')
    assert page.js('document.getElementById("lasso").getAttribute("aria-pressed")') == 'true'
    box = [(left + 2, top + 60), (left + cut, top + 60), (left + cut, top + at[:, 1].max() + 8), (left + 2, top + at[:, 1].max() + 8)]
    page.drag(*box)
    selected = page.js('atlas.selected()')
    assert selected == [int(i) for i in inside if at[i, 1] > 60] and 50 < len(selected) < 200
    shown = page.js('[...document.querySelectorAll("#list button")].map(b => [b.children[1].textContent, b.children[2].textContent])')
    counts, total = FRAME.protein[selected].value_counts(), FRAME.protein.value_counts()
    assert dict(shown) == {p: f'{n} of {total[p]}' for p, n in counts.items()}
    page.click('#csv')
    file = browser.folder/'atlas_simulated-demo-0.csv'
    for _ in range(100):
        if file.exists(): break
        time.sleep(.1)
    with open(file, newline='') as f: rows = list(csv.DictReader(f))
    assert [r['protein'] for r in rows] == FRAME.protein[selected].tolist()
    for name in ('fov', 'row', 'y', 'x'): assert [r[name] for r in rows] == FRAME[name][selected].astype(str).tolist(), 'the way back to the cell'
    assert {r['run'] for r in rows} == {'simulated-demo-0'}
    assert np.allclose([float(r['umap_1']) for r in rows], FRAME.umap_1[selected], atol=1e-5) and [r['localization'] or None for r in rows] == [v if isinstance(v, str) else None for v in FRAME.localization[selected]]
    file.unlink()
    page.js('document.getElementById("top").focus()'); page.key('Escape')
    assert page.js('atlas.selected().length') == 0

def test_shift_and_drag_is_a_lasso_too_and_a_plain_drag_moves_the_map(page):
    before = page.place(0)
    page.drag((300, 300), (350, 320), (400, 340))
    assert np.allclose(np.subtract(page.place(0), before), (100, 40), atol=1) and page.js('atlas.selected().length') == 0
    page.click('#all')
    page.drag((5, 120), (900, 120), (900, 790), (5, 790), modifiers=8)
    assert page.js('atlas.selected().length') > 100

def test_wheel_and_keys_zoom_and_move(page):
    i = lone_point(); x, y = page.place(i)
    page.do('Input.dispatchMouseEvent', type='mouseWheel', x=x, y=y, deltaX=0, deltaY=-500)
    time.sleep(.2)
    assert np.allclose(page.place(i), (x, y), atol=1), 'zooming moves the point under the pointer'
    far = np.subtract(page.place((i + 1) % 300), page.place(i))
    page.click('#all'); near = np.subtract(page.place((i + 1) % 300), page.place(i))
    assert np.linalg.norm(far) > 1.9*np.linalg.norm(near)
    page.js('document.getElementById("top").focus()'); before = page.place(0)
    page.key('ArrowRight'); assert page.place(0)[0] < before[0] - 50
    page.key('0'); assert np.allclose(page.place(0), before)

def test_legend_hides_groups_and_any_column_colours(page):
    i = int(np.flatnonzero(FRAME.localization == 'er')[0])
    page.click('#legend button')   # er is the first in the alphabet
    page.mouse('mouseMoved', *page.place(i))
    assert page.js('document.querySelector("#legend button").getAttribute("aria-pressed")') == 'false' and page.js('atlas.hovered()') != i
    page.choose('protein')
    assert page.js('document.querySelectorAll("#legend button").length') == FRAME.protein.nunique()
    page.choose('area')
    assert page.js('document.getElementById("scale").hidden') is False and page.js('document.querySelectorAll("#legend button").length') == 0

def test_small_window(page):
    page.do('Emulation.setDeviceMetricsOverride', width=420, height=760, deviceScaleFactor=2, mobile=False)
    time.sleep(.3)
    try:
        assert page.js('document.documentElement.scrollWidth') <= 420
        x, y = page.place(lone_point())
        assert 0 < x < 420 and 0 < y < 760
        page.mouse('mouseMoved', x, y); assert page.js('atlas.hovered()') == lone_point()
    finally: page.do('Emulation.setDeviceMetricsOverride', width=1280, height=800, deviceScaleFactor=1, mobile=False)

def shown(page, id): return page.js(f'getComputedStyle(document.getElementById("{id}")).display') != 'none'

def test_a_click_keeps_the_card_with_all_that_is_known(page):
    i = lone_point(); x, y = page.place(i)
    page.drag((x, y), (x, y))
    page.mouse('mouseMoved', 1200, 790)
    assert page.js('atlas.pinned()') == i and shown(page, 'card')
    words = page.js('document.getElementById("words").innerText')
    assert f'number of the crop: {FRAME.row[i]}' in words and f'field: {FRAME.fov[i]}' in words and f'y in the field: {FRAME.y[i]}' in words
    pixel = page.js('[...document.querySelectorAll("#pictures canvas")].map(c => [...c.getContext("2d").getImageData(80, 60, 1, 1).data])')
    assert pixel[0][1] > 40 > pixel[0][0] and pixel[1][0] > 40 > pixel[1][1], 'the crop is green, what was drawn again red'
    bar = page.js('[...document.querySelector("#pictures canvas").getContext("2d").getImageData(140, 152, 1, 1).data]')
    assert min(bar[:3]) > 250, 'a white scale bar'
    assert page.js('document.querySelectorAll("#more button").length') == 6
    assert page.js('document.querySelectorAll("#like button").length') >= 1
    page.click('#like button')
    assert page.js('document.querySelector("#card b").textContent') != FRAME.protein[i] and page.js('atlas.pinned()') != i
    page.js('document.getElementById("top").focus()'); page.key('Escape')
    assert page.js('atlas.pinned()') == -1 and not shown(page, 'card')

def test_a_tap_keeps_the_card_and_two_fingers_zoom(page):
    i = lone_point()
    page.do('Emulation.setTouchEmulationEnabled', enabled=True, maxTouchPoints=2)
    try:
        x, y = page.place(i)
        page.touch([(x + 3, y)], [])
        assert page.js('atlas.pinned()') == i and shown(page, 'card')
        page.touch([(700, 120)], []); assert page.js('atlas.pinned()') == -1, 'a tap beside all points closes it'
        before, (x, y), j = page.js('atlas.scale()'), page.place(i), (i + 1) % 300
        apart = np.subtract(page.place(j), (x, y))
        page.touch([(x - 50, y)], [(x - 50, y), (x + 50, y)], [(x - 75, y), (x + 75, y)], [(x - 100, y), (x + 100, y)], [])
        assert np.isclose(page.js('atlas.scale()')/before, 2, rtol=.05)
        assert np.allclose(page.place(i), (x, y), atol=3), 'what lies between the fingers stays there'
        assert np.allclose(np.subtract(page.place(j), page.place(i)), 2*apart, rtol=.06, atol=2)
        before = page.place(i)
        page.touch([(400, 400)], [(420, 400)], [(460, 430)], [])
        assert np.allclose(np.subtract(page.place(i), before), (60, 30), atol=2), 'one finger moves the map'
        assert page.js('atlas.pinned()') == -1 and page.js('document.documentElement.scrollTop') == 0
    finally: page.do('Emulation.setTouchEmulationEnabled', enabled=False)

def pressed(page): return page.js('[...document.querySelectorAll("#legend button")].map(b => b.getAttribute("aria-pressed"))')

def test_only_this_one_has_a_way_back(page):
    double = 'document.querySelectorAll("#legend button")[1].dispatchEvent(new MouseEvent("dblclick"))'
    page.js(double); assert pressed(page).count('true') == 1 and shown(page, 'every')
    page.js(double); assert 'false' not in pressed(page) and not shown(page, 'every')
    page.js('document.querySelectorAll("#legend button")[1].focus()'); page.key('o')
    assert pressed(page)[1] == 'true' and pressed(page).count('true') == 1
    page.click('#every'); assert 'false' not in pressed(page)

def test_escape_leaves_the_lasso_and_keeps_the_selection(page):
    page.search('er'); found = page.js('atlas.selected().length')
    page.click('#lasso'); page.key('Escape')
    assert page.js('document.getElementById("lasso").getAttribute("aria-pressed")') == 'false' and page.js('atlas.selected().length') == found > 0

def test_search_finds_localizations_by_name_and_in_words(page):
    wanted = FRAME.index[FRAME.localization == 'er'].tolist()
    page.search('nucleus'); assert page.js('atlas.selected()') == FRAME.index[FRAME.localization == 'nucleus'].tolist()
    page.search('ER'); assert set(wanted) <= set(page.js('atlas.selected()'))
    assert 'ER' in page.js('[...document.querySelectorAll("#legend button")].map(b => b.children[1].textContent)')
    before = page.js('atlas.scale()')
    page.key('Enter'); assert page.js('atlas.scale()') != before

def test_shift_and_arrows_go_from_point_to_point(page):
    page.js('document.getElementById("top").focus()'); seen = []
    page.key('ArrowRight', shift=True); seen.append(page.js('atlas.pinned()'))
    for key in ('ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowLeft'):
        before = page.place(seen[-1]); page.key(key, shift=True); seen.append(page.js('atlas.pinned()'))
        step = np.subtract(page.place(seen[-1]), before)
        if seen[-1] != seen[-2]: assert {'ArrowRight': step[0] > 0, 'ArrowLeft': step[0] < 0, 'ArrowDown': step[1] > 0}[key]
    assert len(set(seen)) > 2 and FRAME.protein[seen[-1]] in page.js('document.getElementById("told").textContent')

def test_the_switch_for_names_hides_with_numbers(page):
    page.choose('area'); assert page.js('getComputedStyle(document.getElementById("names").parentElement).display') == 'none'
    assert not set(page.js('[...document.getElementById("by").options].map(o => o.value)')) & {'row', 'y', 'x'}

def test_110_000_points_are_there_fast(browser, tmp_path, record_property):
    page = write_atlas_html(tmp_path/'big.html', table(110_000, 1311).assign(row=np.arange(110_000), fov='f'), np.full((1311, 32, 32, 3), .5), np.arange(110_000) % 1311)
    browser.open(page)
    ms = browser.js('performance.getEntriesByType("paint").find(p => p.name == "first-contentful-paint").startTime')
    told = browser.js('performance.getEntriesByName("drawn")[0].startTime')
    record_property('first paint, ms', ms); record_property('drawn, ms', told); print(f'first paint {ms:.0f} ms, drawn {told:.0f} ms')
    assert told < 4000, f'{told:.0f} ms'   # under two seconds on a free core
    ms = browser.js('(() => { const c = document.getElementById("base").getContext("2d"), t = []; for (let k = 0; k < 20; k++) { const s = performance.now(); atlas.draw(); c.getImageData(0, 0, 1, 1); t.push(performance.now() - s) } return t.sort((a, b) => a - b)[10] })()')
    record_property('redraw, ms', ms); print(f'redraw of 110,000 points: {ms:.0f} ms (median of 20)')
    assert ms < 100, f"{ms:.0f} ms"   # ten pictures a second on a busy machine; a free core takes six ms

def test_no_path_of_a_machine_is_written(tmp_path):
    files = ['/lab/img/a_1.tif', 'C:\\img\\a_2.tif', '\\\\lab\\img\\a_3.tif', 'plate/a_4.tif', '']*12
    names = next(c for c in data_of(write_atlas_html(tmp_path/'a.html', table(60).assign(file=files)))['columns'] if c['name'] == 'file')['names']
    assert sorted(filter(None, names)) == ['a_1.tif', 'a_2.tif', 'a_3.tif', 'plate/a_4.tif'] and b'lab/img' not in (tmp_path/'a.html').read_bytes()


def test_identifiers_with_a_gap_stay_apart_and_measures_stay_numbers():
    from cytoself_nb.webatlas import _column
    assert _column('id', [123456789, None, 123456790])['names'] == ['123456789', '123456790']
    assert 'names' not in _column('light', [33554433.5, None, 2.]) and 'names' not in _column('light', [33554432., 7.])
    assert 'names' not in _column('n', [3, None, 5])
