import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Map;

/** A JSON command a line in, a JSON answer a line out; see ../README.md. */
final class Repl {
    interface Commands {
        Object run(JsonNode command) throws Exception;
    }

    private static final ObjectMapper mapper = new ObjectMapper();
    private static final PrintStream answers = System.out;

    static void run(Commands commands) throws Exception {
        System.setOut(System.err); // whatever else is printed is no answer
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            try {
                Object answer = commands.run(mapper.readTree(line));
                say(mapper.createObjectNode().putPOJO("ok", answer));
            } catch (Throwable failure) {
                while (failure instanceof java.util.concurrent.ExecutionException)
                    failure = failure.getCause();
                failure.printStackTrace();
                say(Map.of("error", failure.toString()));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    static synchronized void say(Object line) throws java.io.IOException {
        answers.println(mapper.writeValueAsString(line));
        answers.flush();
    }
}
