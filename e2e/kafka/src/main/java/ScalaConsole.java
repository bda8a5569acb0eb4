import java.io.PrintStream;
import java.util.concurrent.Callable;
import scala.Console$;

/** Points Scala's Console, which holds the streams it saw first, at other streams while something runs. */
final class ScalaConsole {
    private ScalaConsole() {}

    static <T> T withStreams(PrintStream out, PrintStream err, Callable<T> body) throws Exception {
        Object result = Console$.MODULE$.withOut(out, () -> Console$.MODULE$.withErr(err, () -> {
            try {
                return body.call();
            } catch (Exception error) {
                return error;
            }
        }));
        if (result instanceof Exception error) {
            throw error;
        }
        @SuppressWarnings("unchecked")
        T value = (T) result;
        return value;
    }
}
