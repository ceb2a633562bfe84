import org.apache.spark.sql.SparkSession;

/** Runs statements of Spark SQL in turn, and prints the rows of the last one as JSON. */
public final class SparkQueries {
  public static void main(String[] statements) throws Exception {
    try (SparkSession spark =
        SparkSession.builder()
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.jsonGenerator.ignoreNullFields", "false")
            .getOrCreate()) {
      int last = statements.length - 1;
      for (int number = 0; number < last; number++) {
        spark.sql(statements[number]);
      }
      spark.sql(statements[last]).toJSON().collectAsList().forEach(System.out::println);
    }
  }
}
