package dev.skein.gateway;

import dev.skein.gateway.openai.EmbeddingsRequest;
import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.TokenIds;
import java.util.List;

/**
 * A request for vectors that is ready to be sent to a group.
 *
 * @param texts ids of each input, not to be changed
 */
record PreparedEmbeddings(EmbeddingsRequest asked, List<int[]> texts) {

    long tokens() {
        return texts.stream().mapToLong(text -> text.length).sum();
    }

    EmbedRequest request(String id) {
        EmbedRequest.Builder request = EmbedRequest.newBuilder().setRequestId(id);
        for (int[] text : texts) {
            TokenIds.Builder ids = TokenIds.newBuilder();
            for (int each : text) {
                ids.addIds(each);
            }
            request.addTexts(ids);
        }
        if (asked.dimensions() != null) {
            request.setDimensions(asked.dimensions());
        }
        if (asked.normalised() != null) {
            request.setNormalised(asked.normalised());
        }
        return request.build();
    }
}
