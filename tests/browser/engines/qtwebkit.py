"""qtwebkit.py URL SHIM: opens the page in QtWebKit. Each line of input is an expression, each line of output "=value" or "!error"."""
import json
import os
import sys

os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')
from PyQt5.QtCore import QSocketNotifier, QUrl, qInstallMessageHandler
from PyQt5.QtWebKit import QWebSettings
from PyQt5.QtWebKitWidgets import QWebPage, QWebView
from PyQt5.QtWidgets import QApplication

qInstallMessageHandler(lambda *_: None)
url, shim = sys.argv[1], sys.argv[2]


def tell(line):
    print(line.replace('\n', '\\n'), flush=True)


class Page(QWebPage):
    def javaScriptConsoleMessage(self, message, line, source):
        tell('console: %s %s:%s' % (message, source, line))


def evaluate(_):
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    expression = 'try { "=" + (' + line.strip() + ') } catch (e) { "!" + e }'
    tell(str(page.mainFrame().evaluateJavaScript(expression)))


app = QApplication(sys.argv[:1])
page = Page()
view = QWebView()
view.setPage(page)
view.resize(1000, 700)
view.show()
page.settings().setAttribute(QWebSettings.LocalStorageEnabled, False)
page.mainFrame().javaScriptWindowObjectCleared.connect(lambda: page.mainFrame().evaluateJavaScript(shim))
page.loadFinished.connect(lambda ok: tell('ready'))
notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Read)
notifier.activated.connect(evaluate)
page.mainFrame().load(QUrl(url))
app.exec_()
