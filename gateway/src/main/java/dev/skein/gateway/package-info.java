/**
 * OpenAI's API over HTTP in front of groups that speak token ids.
 *
 * <p>A request goes one way: body, checked request ({@code openai}), prompt text ({@code template}), token ids
 * ({@code text}), a group and its stream ({@code traffic}), text again, and an event or a JSON body. All of it that
 * touches a connection runs on that connection's event loop; only reading and tokenizing long bodies moves to a small
 * pool and comes back. Nothing here holds more of an answer than a client has room for: a full socket pauses the
 * group's stream, and a closed one cancels it.
 *
 * <p>{@link dev.skein.gateway.Gateway} is the way in. It learns where groups are from the scheduler's watch stream,
 * fetches the model's card and vocabulary as soon as a leader listens (so that building the tokenizer overlaps the
 * loading of weights), and opens its port when it is told to:
 * <pre>{@code
 * Gateway gateway = Gateway.create(vertx, options);  // throws at once where the address is taken
 * gateway.ready().await();                           // a group is ready, the tokenizer is built
 * int port = gateway.listen().await();
 * ...
 * gateway.close();                                   // finishes the streams, then ends
 * }</pre>
 */
@NullMarked
package dev.skein.gateway;

import org.jspecify.annotations.NullMarked;
