import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends each line of standard input as a record without a key, as Kafka's own console producer does. */
class Send {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> options = Map.of("bootstrap.servers", arguments[0], "compression.type", "zstd");
        var text = new StringSerializer();
        try (var producer = new KafkaProducer<String, String>(options, text, text);
             var lines = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line; (line = lines.readLine()) != null;) {
                producer.send(new ProducerRecord<>(arguments[1], line)).get();
            }
        }
    }
}
