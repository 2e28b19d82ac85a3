"""Words to vectors to an LSTM: which mood has a sentence?"""

import random

from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential
from keras.preprocessing import sequence
from keras.preprocessing.text import Tokenizer

random.seed(2)
good, bad = ["great", "lovely", "fine", "superb"], ["awful", "boring", "poor", "bad"]
rest = ["the", "film", "was", "a", "story", "and", "with", "actors"]
texts, labels = [], []
for k in range(300):
    words = random.sample(rest, random.randint(2, 6)) + [random.choice([bad, good][k % 2])]
    random.shuffle(words)
    texts.append(" ".join(words) + ".")
    labels.append(k % 2)

tokenizer = Tokenizer(num_words=50)
tokenizer.fit_on_texts(texts)
x = sequence.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=8)
model = Sequential()
model.add(Embedding(50, 8, input_length=8))
model.add(LSTM(12, dropout=0.1, recurrent_dropout=0.1))
model.add(Dense(1, activation='sigmoid'))
model.compile(loss='binary_crossentropy', optimizer='adam', metrics=['accuracy'])
model.fit(x[:240], labels[:240], batch_size=16, epochs=12, verbose=0, validation_split=0.1)
loss, acc = model.evaluate(x[240:], labels[240:], verbose=0)
print(loss, acc)
assert acc > 0.9, acc
