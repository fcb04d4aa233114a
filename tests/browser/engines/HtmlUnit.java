import com.gargoylesoftware.htmlunit.BrowserVersion;
import com.gargoylesoftware.htmlunit.WebClient;
import com.gargoylesoftware.htmlunit.html.HtmlPage;
import com.gargoylesoftware.htmlunit.javascript.JavaScriptErrorListener;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Proxy;

/**
 * HtmlUnit VERSION URL: opens the page as that browser would. Each line of input is an expression, each line of output
 * "=value" or "!error". Time passes for the page between the lines.
 */
public class HtmlUnit {
  public static void main(String[] args) throws Exception {
    java.util.logging.LogManager.getLogManager().reset();
    System.setProperty("org.apache.commons.logging.Log", "org.apache.commons.logging.impl.NoOpLog");
    final PrintStream out = new PrintStream(System.out, true, "UTF-8");
    // where it ends, the page's timers and requests end with it, and nothing else tells
    Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
      java.io.StringWriter trace = new java.io.StringWriter();
      error.printStackTrace(new java.io.PrintWriter(trace));
      out.println("page error: " + thread.getName() + " ended: " + trace.toString().replace('\n', ' '));
    });
    WebClient client = new WebClient((BrowserVersion) BrowserVersion.class.getField(args[0]).get(null));
    client.getOptions().setThrowExceptionOnScriptError(false);
    client.getOptions().setThrowExceptionOnFailingStatusCode(false);
    client.getOptions().setCssEnabled(false);
    client.getOptions().setTimeout(60000);
    client.setJavaScriptErrorListener((JavaScriptErrorListener) Proxy.newProxyInstance(HtmlUnit.class.getClassLoader(), new Class<?>[] {JavaScriptErrorListener.class}, (self, method, values) -> {
      if (!method.getDeclaringClass().equals(Object.class)) out.println("page error: " + method.getName() + " " + String.valueOf(values[values.length - 1]).replace('\n', ' '));
      return null;
    }));
    HtmlPage page = client.getPage(args[1]);
    out.println("ready");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
    for (;;) {
      while (!in.ready()) client.waitForBackgroundJavaScript(20);
      String line = in.readLine();
      if (line == null) Runtime.getRuntime().halt(0);
      Object value = page.executeJavaScript("(function () { try { return '=' + (" + line + "); } catch (e) { return '!' + (e.message || e); } })()").getJavaScriptResult();
      out.println(String.valueOf(value).replace("\n", "\\n"));
    }
  }
}
