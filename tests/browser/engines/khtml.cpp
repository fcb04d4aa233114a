// khtml URL: opens the page in KHTML. Each line of input is an expression, each line of output "=value" or "!error".
#include <QApplication>
#include <QClipboard>
#include <QSocketNotifier>
#include <QTextStream>
#include <KAboutData>
#include <KParts/BrowserExtension>
#include <KParts/BrowserHostExtension>
#include <dom/dom_node.h>
#include <khtml_part.h>
#include <khtmlview.h>
#include <unistd.h>

int main(int argc, char **argv) {
  qputenv("QT_LOGGING_RULES", "*=false");
  QApplication app(argc, argv);
  // else the program ends with its first transfer
  app.setQuitOnLastWindowClosed(false);
  QCoreApplication::setQuitLockEnabled(false);
  // it asks whether it could paste, and dies of a clipboard that was never written to
  QApplication::clipboard()->setText(QStringLiteral(" "));
  KAboutData::setApplicationData(KAboutData("khtmldrive", "khtmldrive", "1"));

  auto *part = new KHTMLPart();
  part->setJScriptEnabled(true);
  part->setJavaEnabled(false);
  part->setPluginsEnabled(false);
  part->view()->resize(1000, 700);
  part->view()->show();

  // The part only asks for what a link or a form wants; its host has to do it, also for a form that aims at a frame.
  QObject::connect(part->browserExtension(), &KParts::BrowserExtension::openUrlRequestDelayed,
                   [&](const QUrl &url, const KParts::OpenUrlArguments &open, const KParts::BrowserArguments &browser) {
    const QString name = browser.frameName;
    if (name.isEmpty() || name.startsWith('_')) return;
    auto *host = KParts::BrowserHostExtension::childObject(part);
    auto *frame = host ? host->findFrameParent(part, name) : nullptr;
    if (frame) frame->openUrlInFrame(url, open, browser);
  });

  QTextStream in(stdin), out(stdout);
  in.setCodec("UTF-8");
  out.setCodec("UTF-8");
  QObject::connect(part, static_cast<void (KHTMLPart::*)()>(&KHTMLPart::completed), [&]() { out << "ready" << endl; });

  QSocketNotifier notifier(STDIN_FILENO, QSocketNotifier::Read);
  QObject::connect(&notifier, &QSocketNotifier::activated, [&]() {
    const QString line = in.readLine();
    if (line.isNull()) _exit(0);
    const QVariant value = part->executeScript(DOM::Node(), "(function () { try { return '=' + (" + line + "); } catch (e) { return '!' + e; } })()");
    out << value.toString().replace('\n', "\\n") << endl;
  });

  part->openUrl(QUrl(QString::fromUtf8(argv[1])));
  return app.exec();
}
